"""allumette on PyTorch: the backend `torch`."""
