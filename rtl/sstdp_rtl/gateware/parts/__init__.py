"""What several blocks are made of: queues, memories, lanes, stamps."""
