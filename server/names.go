package server

import (
	"fmt"
	"math/rand/v2"
)

var (
	adjectives = []string{"amber", "brave", "calm", "clear", "crisp", "eager", "early", "fair", "gentle", "glad",
		"keen", "light", "lucid", "mellow", "noble", "plain", "quick", "quiet", "silver", "steady", "still", "sunny", "warm", "wise"}
	nouns = []string{"alder", "bay", "birch", "brook", "cliff", "cove", "dune", "fern", "field", "fjord",
		"glade", "grove", "harbor", "heath", "hill", "lagoon", "lake", "marsh", "meadow", "pine", "reef", "river", "shore", "tor"}
)

// generateName makes a name for an app whose maker gave none.
func generateName() string {
	return fmt.Sprintf("%s-%s-%05d", adjectives[rand.IntN(len(adjectives))], nouns[rand.IntN(len(nouns))], rand.IntN(100000))
}
