"""The contracts of the SDTM datasets: common rules of the standard, and what each dataset adds."""
