package main

const doctorHelp = `Examines this machine: whether run and mount work for you, and where it is weaker than safetmp promises. It mounts a
filesystem and a /proc in namespaces that end with it, locks memory and lets it go; nothing stays. Run it as the user
who will use safetmp: much of it differs between root and others.

One line for each point, with a verdict:
  ok    in order
  note  every promise is kept; there is something to know or to gain
  warn  something is weaker than promised
  fail  a command does not work
What it means for you, and how to mend it, follows where it is not ok; with -v everywhere.`

const doctorExamples = `  safetmp doctor
  safetmp doctor --json | jq -r '.checks[] | select(.verdict != "ok") | .name + ": " + .fix'

Exit codes:
  0 run and mount work and keep every promise     2 wrong flag or argument
  1 something is weaker than promised             22 neither run nor mount can work here`
