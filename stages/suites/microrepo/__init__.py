"""The suite microrepo: generated repositories with hidden conventions, real files and tests."""
