"""What is in the media: decoding and measuring. Knows nothing of Ray, receipts or manifests."""
