"""What the field notes claim, measured: claims.yaml says how, docs/findings.md what came of it."""
