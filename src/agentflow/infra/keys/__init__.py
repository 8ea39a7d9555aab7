"""Keys: master keys outside the database, and under them a data key for each tenant and purpose."""
