"""Text towers, prompts and the embedded vision-language model."""
