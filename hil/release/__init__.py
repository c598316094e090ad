"""What a release is decided and shown by: the gate, and evidence."""
