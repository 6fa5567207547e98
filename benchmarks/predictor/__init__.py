"""How well the network predicts hidden pixels."""
