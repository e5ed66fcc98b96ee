"""Measured numbers in words."""


def figure(value: float) -> str:
    """Four decimals; of what these would hide or drown four significant digits, such as `1.234e-07`."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"
