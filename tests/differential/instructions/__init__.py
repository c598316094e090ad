"""The instructions of ARMv7E-M, class by class: each file makes cases of its own class."""
