"""The mechanism of training: several optimizers over named networks, and nothing of any paper."""
