"""What if: a scenario and its changes played side by side under common random numbers."""
