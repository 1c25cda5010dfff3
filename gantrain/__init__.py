"""gantrain: train GANs from composed YAML."""

__version__ = "0.1.0"
