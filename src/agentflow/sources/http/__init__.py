"""HTTP to systems outside, behind one guard against server-side request forgery."""
