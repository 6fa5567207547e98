"""Which scans a benchmark may touch, and how it reads them."""
