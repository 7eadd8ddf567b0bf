"""How many kits of what are made, labelled and sent to which depot, and when, so that the central stock lasts as often as is asked."""
