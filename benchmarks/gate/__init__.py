"""Whether the gate can be fooled: by chance, random labels, by heart, or without the order of the steps."""
