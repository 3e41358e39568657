"""Reports of the gate: text, JSON, SARIF, JUnit, Markdown, HTML and more."""
