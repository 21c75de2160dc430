package bench

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// mapped maps name and returns how many MB/s use achieved, unmapping included.
func mapped(w *work, name string, prot int, use func(data []byte)) ([]float64, error) {
	fd, err := open(makePath(name), unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closeFD(fd) }()
	if err := unix.Ftruncate(fd, w.scale.File); err != nil {
		return nil, err
	}
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
		return nil, err
	}
	start := time.Now()
	data, err := unix.Mmap(fd, 0, int(w.scale.File), prot, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	use(data)
	if prot&unix.PROT_WRITE != 0 {
		err = unix.Msync(data, unix.MS_SYNC)
	}
	if unmap := unix.Munmap(data); err == nil {
		err = unmap
	}
	return []float64{float64(w.scale.File) / time.Since(start).Seconds() / 1e6}, err
}

// mmapRead copies a mapped file that is not in the page cache.
func mmapRead(w *work) ([]float64, error) {
	name, err := w.dataFile()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 128<<10)
	return mapped(w, name, unix.PROT_READ, func(data []byte) {
		for len(data) > 0 {
			data = data[copy(buf, data):]
		}
	})
}

// mmapWrite fills a new file through its mapping.
func mmapWrite(w *work) ([]float64, error) {
	name := w.dir + "/mapped"
	buf := make([]byte, 128<<10)
	figures, err := mapped(w, name, unix.PROT_READ|unix.PROT_WRITE, func(data []byte) {
		for len(data) > 0 {
			data = data[copy(data, buf):]
		}
	})
	if remove := os.Remove(name); err == nil {
		err = remove
	}
	return figures, err
}
