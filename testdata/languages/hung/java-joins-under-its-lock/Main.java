import java.io.*;

public class Main {
    private final Object state = new Object();
    private int lines;

    void count(InputStream in) {
        try (BufferedReader r = new BufferedReader(new InputStreamReader(in))) {
            while (r.readLine() != null) {
                synchronized (state) {
                    lines++;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void run() throws Exception {
        Process tool = new ProcessBuilder("as", "tool", "perl", "-e", "$|=1; print qq(a line of the log\\n) x 50000").start();
        Thread reader = new Thread(() -> count(tool.getInputStream()));
        synchronized (state) {
            reader.start();
            reader.join();
            System.out.println(lines);
        }
        tool.waitFor();
    }

    public static void main(String[] args) throws Exception {
        new Main().run();
    }
}
