"""What figures are drawn with: marks at places in pixels, scales, panels, and the formats that marks are written in."""
