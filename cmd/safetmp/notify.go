package main

import "net"

// managerNotifier returns what tells a service manager how the service is doing, by the protocol of sd_notify(3): one
// datagram to the socket named by NOTIFY_SOCKET. It connects at once, since a hardened daemon cannot. Without a manager
// nothing happens; one that cannot be told will find out itself.
func (a *app) managerNotifier() (notify func(state string)) {
	name := a.getenv("NOTIFY_SOCKET")
	if name == "" {
		return func(string) {}
	}
	// An abstract name starts with "@" in both notations.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return func(string) {}
	}
	return func(state string) {
		_, _ = conn.Write([]byte(state))
		_ = conn.Close()
	}
}
