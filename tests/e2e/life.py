GROUP = 'life'
