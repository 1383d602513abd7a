"""What each stage can be told: every option's default and range stands here, once (standard library only)."""
