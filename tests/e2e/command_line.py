GROUP = 'command_line'
