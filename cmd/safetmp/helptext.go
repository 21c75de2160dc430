package main

// Help texts, written as man pages are: what it does, how it behaves, examples, exit codes.

const rootHelp = `safetmp is a filesystem for temporary files that live in RAM only, with rules that make careless programs safe:
no symbolic links, owner-only modes, names nobody can guess, nothing left after unmount.

Not promised: root on this host, and other processes of your own uid, can read what they can reach (ptrace,
/proc/PID/root).`

const rootExamples = `  safetmp run -- CMD                      # one command; TMPDIR, /tmp and /var/tmp are its own
  safetmp mount --size 1g DIR             # a mount of your own; export TMPDIR=DIR
  safetmp mount --shared --size 25% DIR   # as root, for everybody, like /tmp
  safetmp status; safetmp ls DIR          # what there is, and under which names
  safetmp events DIR                      # refusals and the end of the mount, as they happen
  safetmp policy --profile strict         # the rules, and where each comes from
  safetmp umount DIR                      # says how much was overwritten
  safetmp doctor                          # what on this machine weakens a promise
  safetmp help mount                      # the manual of a command; also completion, version`

const mountHelp = `Mounts a filesystem for temporary files on DIR, which must be an empty directory, and returns once it answers. The
filesystem is served by a process of its own until it is unmounted; everything in it is overwritten then.

By default only you may enter, not even root; --shared lets others in, each to files of their own. The memory
promised by --size is a limit that is kept: beyond it programs get "No space left on device", never an out-of-memory
kill. nosuid and nodev always hold.

Every option can be given as a flag or, as mount(8) users know it, in a list after -o; general words of mount(8) are
accepted there. Installed as /sbin/mount.safetmp, the program serves lines of /etc/fstab.

What programs leave behind can go before the unmount: --ttl after its last use, --delete-on-close, --owner-exit with the
session that made it. Nothing that is open is removed by --ttl.

Contents do not reach swap: their memory is locked where that is permitted; where it is not and there is swap they are
encrypted (AES-256-GCM, a key for each file, in locked memory), which costs speed and keeps them out of the kernel's page
cache as well; where neither can be had the mount is refused unless --allow-swap is given. -v and safetmp status say
which holds. With --encrypt=on contents are encrypted in any case: nobody reads or changes them in memory unnoticed
without the keys. --key-memory=secret keeps those where not even root reads them; while such a mount is there the
machine cannot hibernate.

With --io=passthrough, as root, the kernel reads and writes contents by itself, at the speed of tmpfs, in memory that is never
swapped; making and opening files is slower. It is for large files, plain, and without shares of users.

Sizes are bytes, a number with k, m, g or t (powers of 1024), or a percentage of the memory that may be used here: RAM,
or the limit of the memory cgroup where that is less.

The policy starts from --profile; a --policy file can only make it stricter; a flag that names a rule always wins. See
what comes of it with safetmp policy.`

const mountExamples = `  # one gigabyte, for yourself
  mkdir -m 700 ~/tmp && safetmp mount --size 1g ~/tmp && export TMPDIR=~/tmp

  # the same as a mount(8) option list
  safetmp mount -o size=1g,nr_inodes=100k ~/tmp

  # for user 1000, made by root, who cannot look into it
  safetmp mount --uid 1000 /run/user/1000/tmp

  # for everybody, like /tmp, each user seeing only files of their own
  safetmp mount --shared --size 25% /srv/tmp

  # what nobody has used for ten minutes goes
  safetmp mount --ttl 10m ~/tmp

  # in /etc/fstab, with mount.safetmp installed
  safetmp  /srv/tmp  safetmp  shared,size=25%,nofail  0 0

  # in the foreground, as a service manager wants it (Type=notify)
  safetmp mount -f --size 512m /srv/tmp

Exit codes:
  0 mounted and answering     2 wrong flag, value or policy file     10 DIR does not exist
  11 DIR is no directory      12 DIR is not empty                    13 a safetmp is mounted there already
  14 not permitted            15 no usable /dev/fuse                 16 no fusermount3 and no privilege
  17 contents could reach swap: neither locked nor encrypted
  20 (-f) wipe not complete   23 no io_uring (--transport uring)     24 no passthrough (--io passthrough)
  1 anything else`

const umountHelp = `Unmounts the safetmp mounted on DIR and returns once every byte it held is overwritten, with a line that says how
much that was. A mount in use stays as it is; who holds it is listed. On a terminal the progress is shown.

With --force the mount is ended whoever uses it: their requests fail from then on. It also gets rid of a mount whose
daemon hangs or has died; then nobody can confirm that memory was overwritten, and the exit code says so.`

const umountExamples = `  safetmp umount ~/tmp
  safetmp umount --force /srv/tmp

Exit codes:
  0 unmounted and wiped       2 wrong flag or argument               10 DIR does not exist
  14 not permitted            16 no fusermount3 and no privilege     18 in use, see who on stderr
  19 no safetmp there         20 unmounted, wipe not confirmed       1 anything else`

const statusHelp = `Shows your safetmp mounts, root sees those of all users; with DIR, everything about one. A mount whose daemon does not
answer is listed as dead.`

const statusExamples = `  safetmp status
  safetmp status ~/tmp
  safetmp status --metrics                                            # for Prometheus
  safetmp status --json | jq '.[] | {mountpoint, bytes, limit, refusals}'

Exit codes:
  0 shown                     2 wrong flag or argument               10 DIR does not exist
  19 no safetmp there         21 its daemon does not answer          1 anything else`

const listHelp = `Lists what is in the top directory of the safetmp mounted on DIR: the name the program asked for, the name it was
assigned, owner, size, age, the time left where the mount has a time to live, and the command that made it, oldest first.
Names are shown with control characters escaped.`

const listExamples = `  safetmp ls ~/tmp
  safetmp ls --json ~/tmp | jq -r '.[].assigned'

Exit codes:
  0 listed                    2 wrong flag or argument               10 DIR does not exist
  19 no safetmp there         21 its daemon does not answer          1 anything else`

const eventsHelp = `Prints what happens on the safetmp mounted on DIR, as it happens, until the mount ends or you interrupt it: requests that
the policy refuses or warns of, what lifetimes remove, an unmount that was refused since the mount is in use, and its end.

A name in a request is shown as a hash under a key that the daemon forgets with the mount: equal for equal names. A mount
made with --event-names plain tells the names. Contents are never told.

Up to 256 events wait for a reader; what does not fit is lost to it, and it is told how many were. A reader that has taken
nothing for 15 seconds is dropped, and no more than 8 may follow a mount. The mount never waits for any.`

const eventsExamples = `  safetmp events ~/tmp
  safetmp events --json ~/tmp | jq -r 'select(.event == "refused") | .rule + " " + .command'

Exit codes:
  0 the mount has ended, or interrupted                              2 wrong flag or argument
  10 DIR does not exist       19 no safetmp there                    21 its daemon does not answer
  1 anything else`

const policyHelp = `Prints the rules that a mount with the same flags would have, and where each comes from: the profile, a line of the
policy file, or a flag. Settings that lost to a safer one or to a flag are listed below. With --rules it prints every
rule with its values instead, the safest first; these are the keys of a policy file, one RULE = "VALUE" per line.`

const policyExamples = `  safetmp policy
  safetmp policy --profile strict --rule exec=owner
  safetmp policy --policy /etc/safetmp/build.toml
  safetmp policy --rules

Exit codes:
  0 printed                   2 wrong flag, value or policy file     1 anything else`

const completionHelp = `Prints a completion script for a shell.`

const completionExamples = `  source <(safetmp completion bash)
  safetmp completion zsh > "${fpath[1]}/_safetmp"
  safetmp completion fish > ~/.config/fish/completions/safetmp.fish`
