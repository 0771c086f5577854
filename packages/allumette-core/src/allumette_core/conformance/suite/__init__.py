"""What `pytest --pyargs allumette_core.conformance.suite` collects."""
