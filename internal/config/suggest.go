package config

import "strings"

// didYouMean ends an error message with the known name nearest to what was
// written, or with nothing when none is near.
func didYouMean(written string, known []string) string {
	// The right name in the wrong section, if only one section has it.
	last := written[strings.LastIndex(written, ".")+1:]
	var same []string
	for _, k := range known {
		if strings.HasSuffix(k, "."+last) {
			same = append(same, k)
		}
	}
	if len(same) == 1 {
		return ", did you mean " + same[0] + "?"
	}
	best, distance := "", len(written)/3+2 // farther than that is a guess, not a slip
	for _, k := range known {
		if d := editDistance(written, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// editDistance counts the single-byte insertions, deletions and replacements
// between a and b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
