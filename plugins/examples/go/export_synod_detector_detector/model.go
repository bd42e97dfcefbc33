package export_synod_detector_detector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// format is the version of the model's bytes: raise it whenever the layout changes. The bytes are little-endian: the format, the width,
// the mean, and the upper triangle of the precision matrix, row by row.
const format = 1

const (
	header = 8
	// More features than this make a matrix of a hundred megabytes.
	mostFeatures = 4096
	// No score is larger: a sum of what a model and a row can hold may not be finite.
	mostScore = 1e300
)

// model holds the centre of the training rows and the inverse of their covariance matrix.
type model struct {
	mean      []float64
	precision [][]float64
}

func learn(rows [][]float64, wanted parameters) (*model, error) {
	width := len(rows[0])
	if width > mostFeatures {
		return nil, fmt.Errorf("%d features are too many: at most %d are possible", width, mostFeatures)
	}
	mean := make([]float64, width)
	for _, row := range rows {
		for feature, value := range row {
			mean[feature] += value / float64(len(rows))
		}
	}
	precision, err := inverse(covariance(rows, mean, wanted.Shrinkage))
	return &model{mean, precision}, err
}

// covariance is the covariance matrix, its entries off the diagonal smaller by the shrinkage: so it can always be inverted. A constant
// feature has the variance 1: any change of it is measured in its own units.
func covariance(rows [][]float64, mean []float64, shrinkage float64) [][]float64 {
	spread := square(len(mean))
	for _, row := range rows {
		for i := range mean {
			for j := 0; j <= i; j++ {
				spread[i][j] += (row[i] - mean[i]) * (row[j] - mean[j]) / float64(len(rows)-1)
			}
		}
	}
	for i := range mean {
		for j := range i {
			spread[i][j] *= 1 - shrinkage
			spread[j][i] = spread[i][j]
		}
		if spread[i][i] <= 0 {
			spread[i][i] = 1
		}
	}
	return spread
}

// inverse is that of a symmetric, positive definite matrix, by its Cholesky factor.
func inverse(matrix [][]float64) ([][]float64, error) {
	size := len(matrix)
	factor := square(size)
	for i := range size {
		for j := 0; j <= i; j++ {
			rest := matrix[i][j]
			for k := range j {
				rest -= factor[i][k] * factor[j][k]
			}
			if i != j {
				factor[i][j] = rest / factor[j][j]
			} else if rest > 0 && !math.IsInf(rest, 0) {
				factor[i][i] = math.Sqrt(rest)
			} else {
				return nil, errors.New("two features are the same, or too large: leave one out, scale them, or raise `shrinkage`")
			}
		}
	}
	inverted := square(size)
	column := make([]float64, size)
	for unit := range size {
		solve(factor, unit, column)
		for i := range size {
			inverted[i][unit] = column[i]
		}
	}
	return inverted, nil
}

// solve finds the column of the inverse for a unit vector: forwards through the factor, then backwards.
func solve(factor [][]float64, unit int, column []float64) {
	for i := range column {
		rest := 0.0
		if i == unit {
			rest = 1
		}
		for k := range i {
			rest -= factor[i][k] * column[k]
		}
		column[i] = rest / factor[i][i]
	}
	for i := len(column) - 1; i >= 0; i-- {
		for k := i + 1; k < len(column); k++ {
			column[i] -= factor[k][i] * column[k]
		}
		column[i] /= factor[i][i]
	}
}

func square(size int) [][]float64 {
	rows := make([][]float64, size)
	for at := range rows {
		rows[at] = make([]float64, size)
	}
	return rows
}

// contributions writes what each feature adds to the row's score, and returns their sum: the score. A feature that goes against the others
// can take away from it.
func (model *model) contributions(row, parts []float64) float64 {
	score := 0.0
	for i := range row {
		along := 0.0
		for j := range row {
			along += model.precision[i][j] * (row[j] - model.mean[j])
		}
		parts[i] = (row[i] - model.mean[i]) * along
		score += parts[i]
	}
	if score >= -mostScore && score <= mostScore {
		return score
	}
	// Not finite, or nearly so: all features share the largest score.
	for i := range parts {
		parts[i] = mostScore / float64(len(parts))
	}
	return mostScore
}

func (model *model) bytes() []byte {
	bytes := binary.LittleEndian.AppendUint32(nil, format)
	bytes = binary.LittleEndian.AppendUint32(bytes, uint32(len(model.mean)))
	for _, value := range model.mean {
		bytes = binary.LittleEndian.AppendUint64(bytes, math.Float64bits(value))
	}
	for i, row := range model.precision {
		for _, value := range row[i:] {
			bytes = binary.LittleEndian.AppendUint64(bytes, math.Float64bits(value))
		}
	}
	return bytes
}

func fromBytes(bytes []byte) (*model, error) {
	if len(bytes) < header {
		return nil, errors.New("the model is cut short")
	}
	if found := binary.LittleEndian.Uint32(bytes); found != format {
		return nil, fmt.Errorf("the model is of format %d, this plugin reads %d: fit it again", found, format)
	}
	width := int(binary.LittleEndian.Uint32(bytes[4:]))
	if width == 0 || width > mostFeatures || len(bytes) != header+8*(width+width*(width+1)/2) {
		return nil, errors.New("the model does not have the length that it says")
	}
	numbers := make([]float64, (len(bytes)-header)/8)
	for at := range numbers {
		numbers[at] = math.Float64frombits(binary.LittleEndian.Uint64(bytes[header+8*at:]))
		if math.IsNaN(numbers[at]) || math.IsInf(numbers[at], 0) {
			return nil, errors.New("the model holds numbers that no fit writes")
		}
	}
	read := &model{mean: numbers[:width], precision: square(width)}
	numbers = numbers[width:]
	for i := range width {
		for j := i; j < width; j++ {
			read.precision[i][j], read.precision[j][i] = numbers[j-i], numbers[j-i]
		}
		numbers = numbers[width-i:]
	}
	return read, nil
}
