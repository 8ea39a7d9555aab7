"""Organisations: members, invitations, teams, grants."""
