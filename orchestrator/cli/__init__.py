"""The command line: thin verbs over the services; it never imports Prefect."""
