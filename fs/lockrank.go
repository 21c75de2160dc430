package fs

// Ranks of this package's locks, in the order in which one goroutine may take
// them. A lock may be taken only while every held one has a lower rank;
// directories are the exception, see doc.go.
const (
	rankLives = iota + 1
	rankRename
	rankDirectory
	rankInode
	rankTable
)
