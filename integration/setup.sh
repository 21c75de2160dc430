#!/bin/sh
# Installs what the tests need where that is possible, else says what is missing
# and which tests that leaves out. Debian's package names.
set -eu

# program, or file:package:what is left out without it
needs="
fusermount3:fuse3:mounts without privilege
gcc:gcc:the C build
python3:python3:Python's tempfile
sqlite3:sqlite3:databases
git:git:clone and gc
vim:vim:editing in place
setfattr:attr:attributes from the shell
setfacl:acl:the ACL attack
tar:tar:archives
unshare:util-linux:namespaces
mkswap:util-linux:what reaches swap
swapon:mount:what reaches swap
dockerd:docker.io:container volumes with Docker
podman:podman:container volumes with Podman
runc:runc:container volumes with Podman
busybox:busybox-static:the image of the containers
/usr/share/bash-completion/bash_completion:bash-completion:completion for bash
zsh:zsh:its completion
fish:fish:its completion
npm:npm:links in node_modules/.bin
stress-ng:stress-ng:the filesystem stressors
fio:fio:verified I/O
make:make:installing
man:man-db:formatting the man pages
systemd-analyze:systemd:checking the units
gocryptfs:gocryptfs:its column in the benchmark
encfs:encfs:its column in the benchmark
securefs:securefs:its column in the benchmark
bwrap:bubblewrap:its figure in the benchmark
"

missing() {
	for need in $needs; do
		program=${need%%:*}
		case $program in
		/*) [ -e "$program" ] || echo "$need" ;;
		*) command -v "$program" >/dev/null 2>&1 || echo "$need" ;;
		esac
	done
}

IFS='
'
packages=$(missing | cut -d: -f2 | sort -u | tr '\n' ' ')
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "setup: installing $packages"
	unset IFS
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null
	# shellcheck disable=SC2086 # a list of words
	apt-get install -q -y --no-install-recommends $packages >/dev/null
	IFS='
'
fi

for need in $(missing); do
	program=${need%%:*}
	rest=${need#*:}
	echo "setup: $program is missing (package ${rest%%:*}), which leaves out: ${rest#*:}"
done

# The usual mode, which some minimal machines do not set; the tests also run as
# an ordinary user.
if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ] && [ "$(stat -c %a /dev/fuse)" != 666 ]; then
	chmod 666 /dev/fuse
	echo "setup: /dev/fuse set to its usual mode 0666"
fi
[ -c /dev/fuse ] || echo "setup: there is no /dev/fuse, which leaves out every test that mounts (modprobe fuse)"
