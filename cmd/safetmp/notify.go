package main

import "net"

// notifyManager tells a service manager how the service is doing, by the protocol of sd_notify(3): one datagram to the
// socket named by NOTIFY_SOCKET. Without one, nothing happens; a manager that cannot be told will find out itself.
func (a *app) notifyManager(state string) {
	name := a.getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	// An abstract name starts with "@" in both notations.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}
