package memstore

// rank is a place in the lock order of doc.go.
type rank interface{ rank() int }

type (
	lifeRank   struct{} // Store.life
	blobRank   struct{} // Blob.mu, one at a time
	liveRank   struct{} // liveList.mu
	wiperRank  struct{} // wiper.mu
	arenaRank  struct{} // arena.mu
	ownersRank struct{} // owners.mu
	vaultRank  struct{} // vault.mu
	filesRank  struct{} // files.mu
)

func (lifeRank) rank() int   { return 1 }
func (blobRank) rank() int   { return 2 }
func (liveRank) rank() int   { return 3 }
func (wiperRank) rank() int  { return 4 }
func (arenaRank) rank() int  { return 5 }
func (ownersRank) rank() int { return 6 }
func (vaultRank) rank() int  { return 7 }
func (filesRank) rank() int  { return 8 }
