"""What exists: ids, schemas, the store, receipts, shards, splits."""
