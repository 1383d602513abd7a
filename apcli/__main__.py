from apcli.cli.main import main

main()
