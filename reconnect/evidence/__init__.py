"""What proves things: charts explored, audits held against them. Nothing here takes part in a session."""
