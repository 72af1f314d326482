"""A parser of Prometheus' text format 0.0.4 and of OpenMetrics that refuses what the format forbids, and
what promtool lets through: histograms that don't add up, series told twice, families that are taken apart."""
import math
import re

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(r'(%s)(?:\{([^}]*)\})? (\S+)' % NAME)
NUMBER = re.compile(r'[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Inf)|NaN')
TYPES = {'counter', 'gauge', 'histogram'}


class Wrong(Exception):
    """What is wrong with the page."""


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type, self.unit = name, help_text, None, None
        self.samples = {}  # (name, labels as sorted pairs): value

    def sample(self, **labels):
        """The value of the sample with just these labels."""
        return self.samples[(self.name, tuple(sorted(labels.items())))]


def parse_labels(text, line):
    labels, at = {}, 0
    while text and at < len(text):
        found = LABEL.match(text, at)
        if not found or found.group(1) in labels:
            raise Wrong('labels: %r' % line)
        if found.group(3) == ',' and found.end() == len(text):
            raise Wrong('a comma at the end: %r' % line)
        labels[found.group(1)] = re.sub(r'\\(.)', lambda escape: {'n': '\n'}.get(escape[1], escape[1]), found.group(2))
        at = found.end()
    return tuple(sorted(labels.items()))


class Page:
    """families, by their names. In OpenMetrics these are without _total."""

    def __init__(self, body, open_metrics=False):
        self.families, self.current, self.open = {}, None, open_metrics
        try:
            text = body.decode('utf-8')
        except UnicodeDecodeError as error:
            raise Wrong(str(error)) from None
        if '\r' in text or not text.endswith('\n'):
            raise Wrong('CR, or no LF at the end')
        lines = text[:-1].split('\n')
        if open_metrics and lines.pop() != '# EOF':
            raise Wrong('no EOF')
        for line in lines:
            self.take(line)
        self.finish()

    def take(self, line):
        if line.startswith('# HELP '):
            self.finish()
            name, _, text = line[7:].partition(' ')
            if not text.strip() or name in self.families or re.search(r'\\[^\\n"]', text):
                raise Wrong('help: %r' % line)
            self.current = self.families[name] = Family(name, text)
        elif line.startswith('# TYPE '):
            name, _, kind = line[7:].partition(' ')
            family = self.current
            if not family or family.name != name or family.type or family.samples:
                raise Wrong('type: %r' % line)
            if kind not in TYPES | ({'unknown'} if self.open else set()):
                raise Wrong('unknown type: %r' % line)
            family.type = kind
        elif self.open and line.startswith('# UNIT '):
            name, _, unit = line[7:].partition(' ')
            if not self.current or self.current.name != name or not name.endswith('_' + unit):
                raise Wrong('unit: %r' % line)
            self.current.unit = unit
        else:
            self.take_sample(line)

    def names(self):
        """Of the samples that the current family may have."""
        family = self.current
        if family.type == 'histogram':
            return {family.name + end for end in ('_bucket', '_sum', '_count')}
        return {family.name + ('_total' if self.open and family.type == 'counter' else '')}

    def take_sample(self, line):
        found = SAMPLE.fullmatch(line)
        if not found or not NUMBER.fullmatch(found.group(3)):
            raise Wrong('no sample: %r' % line)
        family = self.current
        if not family or not family.type or found.group(1) not in self.names():
            raise Wrong('of no family, or of another one: %r' % line)
        key = found.group(1), parse_labels(found.group(2), line)
        if key in family.samples:
            raise Wrong('told twice: %r' % line)
        family.samples[key] = float(found.group(3))

    def finish(self):
        """The current family has no more lines."""
        family = self.current
        if not family:
            return
        if not family.type or not family.samples:
            raise Wrong('no type or no sample: %s' % family.name)
        if family.type == 'histogram':
            self.check_histogram(family)
        elif family.type == 'counter' and any(not value >= 0 for value in family.samples.values()):
            raise Wrong('a counter below 0: %s' % family.name)

    @staticmethod
    def check_histogram(family):
        series = {}
        for (name, labels), value in family.samples.items():
            rest = tuple(pair for pair in labels if pair[0] != 'le')
            one = series.setdefault(rest, {'buckets': []})
            if name.endswith('_bucket'):
                one['buckets'].append((float(dict(labels)['le']), value))
            else:
                one[name[len(family.name):]] = value
        for labels, one in series.items():
            bounds = [bound for bound, _ in one['buckets']]
            counts = [count for _, count in one['buckets']]
            if not bounds or bounds[-1] != math.inf or bounds != sorted(set(bounds)) or counts != sorted(counts):
                raise Wrong('buckets of %s %s: %s' % (family.name, labels, one['buckets']))
            if one.get('_count') != counts[-1] or '_sum' not in one:
                raise Wrong('sum and count of %s %s' % (family.name, labels))
