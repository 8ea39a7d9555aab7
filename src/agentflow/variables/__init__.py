"""Variables of a tenant: values that its workflows read as `vars.NAME`."""
