"""The backend `torch` of allumette, on PyTorch."""
