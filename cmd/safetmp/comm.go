package main

import "os"

// nameProcess restores the name that ps(1) shows: executed through /proc/self/exe, the process would be called "exe"
// (proc_pid_comm(5)). It is for people; a failure changes nothing.
func nameProcess() {
	const file = "/proc/self/comm"
	if comm, err := os.ReadFile(file); err == nil && string(comm) == "exe\n" {
		_ = os.WriteFile(file, []byte(programName), 0)
	}
}
