"""The audit log: what is written about every change, and the chain that shows when somebody alters it."""
