package suites
