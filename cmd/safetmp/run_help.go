package main

const runHelp = `Runs a command in which TMPDIR, TMP and TEMP, and /tmp and /var/tmp for the programs that look there, are a filesystem
of its own: names nobody can guess, owner-only modes, no symbolic links, in RAM. When the command ends, what it left
running is ended as well and everything is overwritten.

No privilege is needed: the command runs in user, mount and pid namespaces of its own, with the caller's uid, files,
terminal and cgroup, which the memory is charged to. As root there is no user namespace.

A covered directory that holds the working directory or the command itself is left uncovered, with a warning; profile
strict refuses instead. Sockets below a covered directory are out of reach unless let through with --bind-socket.

Signals, the terminal, job control and the exit status are the command's.`

const runExamples = `  # a build whose temporary files nobody sees and that leaves none
  safetmp run -- make -j4

  # with at most 500 MiB of them, and a line about the end
  safetmp run --size 500m --report -- pip install -r requirements.txt

  # a shell to look around in
  safetmp run -- bash

  # an X11 program
  safetmp run --bind-socket /tmp/.X11-unix -- xterm

  # what would the rules refuse?
  safetmp run --enforce warn -v -- npm test

Exit codes:
  the command's own           128+n killed by signal n               2 wrong flag, value or policy file
  125 safetmp itself failed   126 CMD cannot be executed             127 CMD not found`
