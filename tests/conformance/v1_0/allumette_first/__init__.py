"""The backend `first` of allumette, on NumPy."""
