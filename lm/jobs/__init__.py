"""Jobs: one short function per command of `lm`, called with the parts that its YAML describes."""
