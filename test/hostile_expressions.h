/* hostile_expressions: each would take hours, or gigabytes, or the stack, did nobody count. For test_expr.c and bench/steps.c. */
#ifndef HOSTILE_EXPRESSIONS_H
#define HOSTILE_EXPRESSIONS_H

static const char *const hostile_expressions[] = {
	"'x'.repeat(1e9)",
	"'x'.padStart(1e9)",
	"'x'.padEnd(1e9, 'yz').length",
	"Array.from({length: 1e9})",
	"Array.from({length: 30000}).map(x => 1).flatMap(x => [x, x])",
	"'xxxxxxxx'.split('').reduce(p => p + p + p + p + p + p + p + p, 'xxxxxxxx')",
	"[1,1,1,1,1,1,1,1,1,1].reduce(p => [p, p, p, p, p, p, p, p], 1).join().length",
	"JSON.stringify('xxxxxxxxxxxxx'.split('').reduce(p => [p, p, p, p], 1))",
	"'xxxxxxxxxxxxx'.split('').reduce(p => [p, p, p, p], 1)",
	"'xxxxxxxxxxxxx'.split('').reduce(p => [p, p, p, p], 1).flat(100)",
	"'xxxxxxxxxxxxx'.split('').reduce(p => ({a: p, b: p, c: p}), 1)",
	"'x'.repeat(1000).split('').reduce(p => [p], 1)",
	"'' + 'x'.repeat(1000).split('').reduce(p => [p], 1)",
	"JSON.parse('['.repeat(1000))",
	"'x'.repeat(1000).split('').map(a => 'x'.repeat(1000).split('').map(b => 'x'.repeat(1000).split('')))",
	"'x'.repeat(3000).split('').sort((a, b) => 'x'.repeat(3000).split('').indexOf('y'))",
	"'x'.repeat(500000).split('x').length",
	"'x'.repeat(900).replaceAll('x', 'x'.repeat(900))",
	"'x'.repeat(900).replaceAll('', \"$`$'\").replaceAll('', \"$`$'\")",
	"'x'.repeat(300).split('').map(a => 'x'.repeat(300000) == 'x'.repeat(300000)).length",
	"'x'.repeat(3000).split('').map(a => 'a'.repeat(60000).lastIndexOf('b' + 'a'.repeat(30000)))",
	"'x'.repeat(3000).split('').map((a, i) => (i / 7).toString(3)).length",
	"'x'.repeat(3000).split('').map((a, i) => (i * 1.1e300).toFixed(90)).length",
	"'x'.repeat(3000).split('').map((a, i) => i / 3 + '').length",
	"'\xc3\xa9'.repeat(100000).toUpperCase()",
	"encodeURIComponent(' '.repeat(100000))",
	"'1'.repeat(100000) * 1 + '1'.repeat(100000) * 1 + '1'.repeat(100000) * 1 + '1'.repeat(100000) * 1",
	"Object.fromEntries('x'.repeat(5000).split('').map((x, i) => ['k' + i, i]))",
	"Object.fromEntries('x'.repeat(5000).split('').map((x, i) => [5000 - i, i]))",
	"Object.fromEntries('x'.repeat(5000).split('').map((x, i) => [i, i]))",
	"'\xc3\xa9'.repeat(3000).split('').map((x, i, all) => '\xc3\xa9'.repeat(3000)[i] + "
	"'\xc3\xa9'.repeat(3000).charCodeAt(i))",
	"['\xc3\xa9'.repeat(3000)].flatMap(s => s.split('').map((x, i) => s[i] + s.slice(i, i + 1) + "
	"s.codePointAt(i)))",
	"'x'.repeat(5000).split('').map(x => x.foo)",
	"'x'.repeat(5000).split('').map(x => Math.sin(1e300) + Math.pow(1.000001, 1e9) + 2.5 ** 1e2)",
	"['a'.repeat(2000)].flatMap(s => 'x'.repeat(3000).split('').map((x, i) => s + i < s + 'b'))",
	"'x'.repeat(3000).split('').map(x => [1, 2, 3, 4, 5, 6, 7, 8].sort((a, b) => b - a))",
	"'x'.repeat(3000).split('').map(x => `${x}${x}${x}${x}${x}${x}`)",
	"'x'.repeat(3000).split('').map(x => JSON.parse('[1.23456789012345678,1e300,12345678901234567890123]'))",
	"'x'.repeat(3000).split('').map(x => encodeURIComponent('\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9') + "
	"'\xc3\xa9'.toUpperCase())",
	"'x'.repeat(3000).split('').map(x => parseInt('zzzzzzzzzz', 36) + parseFloat('1.7976931348623157e308'))",
	"'x'.repeat(3000).split('').map(x => ({a: x, b: x, c: x, d: x, e: x}))",
	"'x'.repeat(3000).split('').map(x => 'a,b,c,d,e,f,g,h'.split(',').join('-').replaceAll('-', ', '))",
};

#endif
