"""What all commands share: the command line, and rows that outlive a stop."""
