package main

import (
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// note adds a word to those in a file, unless it is there, and gives them all.
func note(path, word string) string {
	b, err := os.ReadFile(path)
	words := strings.Fields(string(b))
	if os.IsNotExist(err) || err == nil && !slices.Contains(words, word) {
		words = append(words, word)
		err = os.WriteFile(path, []byte(strings.Join(words, " ")), 0o600)
	}
	if err != nil {
		return err.Error()
	}
	return strings.Join(words, " ")
}

// fill makes a file of 64 KB, with the directories that it is in.
func fill(path string) string {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, make([]byte, 64<<10), 0o600)
	}
	if err != nil {
		return err.Error()
	}
	return "filled"
}

// holdAlone locks a file for as long as the process lives; it must not be locked.
func holdAlone(path string) {
	// No os.File: the collector would close it, and the lock with it.
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		log.Fatalf("not alone: %v", err)
	}
}
