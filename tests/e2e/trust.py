GROUP = 'trust'
