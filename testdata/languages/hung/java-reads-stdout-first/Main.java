import java.io.*;

public class Main {
    static String read(InputStream in) throws IOException {
        StringBuilder text = new StringBuilder();
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(in))) {
            for (String line; (line = lines.readLine()) != null; ) {
                text.append(line).append('\n');
            }
        }
        return text.toString();
    }

    public static void main(String[] args) throws Exception {
        Process tool = Runtime.getRuntime().exec(new String[] {"as", "tool", "perl", "-e",
            "print STDERR 'warning: deprecated call', \"\\n\" for 1..8000; print 'done'"});
        String out = read(tool.getInputStream());
        String err = read(tool.getErrorStream());
        System.out.println(tool.waitFor() + out + err.length());
    }
}
