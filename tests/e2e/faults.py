GROUP = 'faults'
